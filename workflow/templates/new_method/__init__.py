"""A method of one's own: `method.py` is the method, `config.yaml` runs it, `test_method.py` tests it."""
