"""A scripted stand-in for a model server. No model: it knows the rendered scene behind a picture and answers by script.

It exists because tests and benchmarks need models whose error rates are known; the figures it gives say how the
factory treats such replies, and nothing about any model.
"""
