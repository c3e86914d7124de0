"""Learning by Passing Tests."""

from lbt.search.method import Method
from lbt.search.methods.lpt.gradient import architecture_gradient
from lbt.search.methods.lpt.tester import Tester

METHOD = Method("lpt", architecture_gradient, Tester)
