"""Training on a folder of labelled photographs: a stream of progress, an atomic checkpoint an epoch, resumable."""
