This file finds big orders.
It was written on a Monday.

Feature: Orders
