"""What happens inside one forward and backward pass: recording, rules, target layer, precision."""
