"""Jobs: processes whose end is never missed. A supervisor owns each one; what is known of it stands on disk."""
