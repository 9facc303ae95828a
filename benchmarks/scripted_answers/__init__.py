"""What the scripted stand-in answers, job by job, with error rates that are set and therefore known.

No model: it knows the scene behind a picture, writes and reads the engine's English and its own variations of it, and
errs as often as it is told to. Figures made with it say what the factory does with such replies, and nothing about any
model.
"""
