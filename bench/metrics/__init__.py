"""The figures of MEASURES.md, each from pictures alone: no module here knows clips, codecs or talkers."""
