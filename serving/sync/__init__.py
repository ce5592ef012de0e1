"""The puller: the version in production comes from the object store to the folder of a model server."""
