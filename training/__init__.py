"""Training of the embedded eyes: the tiny segmenter and the crop classifier. Needs torch; nothing else imports it."""
