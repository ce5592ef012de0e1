"""The fifth step: a candidate that may go into production becomes a bundle, is proven, published and promoted."""
