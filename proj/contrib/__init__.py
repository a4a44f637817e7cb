"""Thin glue to the frameworks that call tasks, and to the tests of projects that have them."""
