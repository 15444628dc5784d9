"""What runs next to the visitor: the decision core and its homes."""
