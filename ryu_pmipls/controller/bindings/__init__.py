"""The binding table of the RMS: the place of every mobile node."""

from ryu_pmipls.controller.bindings.binding_table import Binding, BindingTable, Result, RouteChange, Update

__all__ = ["Binding", "BindingTable", "Result", "RouteChange", "Update"]
