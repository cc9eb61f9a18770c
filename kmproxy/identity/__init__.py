"""Who is it? Visitors, their cookies, and the vendors that know them."""
