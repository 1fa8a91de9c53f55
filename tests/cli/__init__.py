"""What commands print, with a door that answers what the test says: nothing runs behind it."""
