"""Programs to plain English: nouns, the sentences of a question, and the steps of its trace."""
