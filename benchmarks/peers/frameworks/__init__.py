"""The same page under each framework. They run in the environments of the peers, and import nothing else."""
