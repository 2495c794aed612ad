"""Equipment to samples, durable: the process that reads sources, spools and ships."""
