"""A prediction that is really made, and judged: `sparkdoctor smoke`."""
