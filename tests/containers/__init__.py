"""The images, built and run for real: `make test-containers`. Too long for every run of the tests."""
