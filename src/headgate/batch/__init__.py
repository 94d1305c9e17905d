"""What runs in the background: batches of tenants, line by line, and the files that they leave."""
