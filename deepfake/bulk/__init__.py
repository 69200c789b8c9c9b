"""Many images, many processes: results that survive whatever ends a run, engines that spread the work."""
