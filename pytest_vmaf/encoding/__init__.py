"""One source in, one encode out: encoders, encodes, packets, cuts and shots."""
