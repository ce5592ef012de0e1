"""Binocular's shared library: settings, errors, the object store and the processes of one machine.

Every other folder (`components`, `pipeline`, `serving`, `gateway`) may import it; it imports none of them,
and never tensorflow.
"""
