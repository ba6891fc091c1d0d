"""The paper's statements about bags, checked by drawing bags: no data, no training, no simulator."""
