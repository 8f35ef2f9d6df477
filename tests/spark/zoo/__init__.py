"""
Applications with a bit of everything, for the tests to hold dagtrace's spans against what Spark says of them.

They run in a driver process of their own, of whatever PySpark is under test, and know nothing of dagtrace. Each one,
before it stops, writes down what Spark's status store and its REST API say (:mod:`zoo.truth`).
"""
