"""The connection to the broker: which transport it uses, and how that treats prefetch."""
