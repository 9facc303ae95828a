"""People: which questions they are asked, what follows from their answers, and what is learned from them."""
