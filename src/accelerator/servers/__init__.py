"""Ways into servers by which a plain hit is answered before the server has made anything for an application."""
