"""Steps that ask models: read a shard, build requests, ask, read the replies with the stages' parsers, write."""
