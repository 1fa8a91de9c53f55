"""The process that is a peer while its session lives. The only room that knows two edges."""
