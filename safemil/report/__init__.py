"""What the HTML report shows besides figures: pages made of tables, and what its captions say."""
