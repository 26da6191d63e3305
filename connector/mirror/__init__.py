"""The relational mirror: mapping, fold, tables, schema and the transaction that writes them."""
