"""SQL texts: the views and macros that every connection to a dataset has."""
