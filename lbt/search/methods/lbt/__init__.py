"""Learning by Teaching."""

from lbt.search.method import Method
from lbt.search.methods.lbt.gradient import architecture_gradient
from lbt.search.methods.lbt.student import Student

METHOD = Method("lbt", architecture_gradient, Student, lambda search: search.gradient != "direct")
