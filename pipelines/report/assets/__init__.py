"""The page's style and script, as files of their own."""
