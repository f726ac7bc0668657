"""Why it worked: GMV taken apart, several studies together."""
