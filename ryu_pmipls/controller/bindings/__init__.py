"""Where every mobile node is: the binding table of the RMS."""

from ryu_pmipls.controller.bindings.binding_table import Binding, BindingTable, Result, RouteChange, Update

__all__ = ["Binding", "BindingTable", "Result", "RouteChange", "Update"]
