"""From sums to terms: values, contrasts, intervals, and the words for them."""
