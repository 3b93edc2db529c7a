"""The page of the two-party call: a local web server and the files that the browser gets."""
