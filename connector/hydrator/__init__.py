"""The hydrator: fetches the whole record after a hook brought its number."""
