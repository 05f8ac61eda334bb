"""One forward and backward pass: recording, backward rules, target layer, precision."""
