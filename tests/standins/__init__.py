"""What stands in for a machine in the tests: hosts that are data, and small programs in place of a vendor's."""
