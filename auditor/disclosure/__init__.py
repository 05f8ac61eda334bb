"""Statistical disclosure control: what documents show of attributes that are marked as sensitive."""
