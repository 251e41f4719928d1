"""The product: typed functions in which stages meet. Nothing here prints, exits or names a flag."""
