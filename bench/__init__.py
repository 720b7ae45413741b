"""What the stack costs and how fast it is, beside a floor measured in the same run."""
