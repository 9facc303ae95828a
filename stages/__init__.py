"""Pure work: plain functions from records to records or drops."""
