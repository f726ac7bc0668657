"""Tables in, validated arrays out."""
