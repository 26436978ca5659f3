"""A page of static files on which networks read in the browser, without a server of one's own."""
