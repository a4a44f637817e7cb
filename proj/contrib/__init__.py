"""The work queue inside other frameworks: thin glue, each part loaded only where it is used."""
