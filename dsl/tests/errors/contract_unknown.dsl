Feature: Orders
  Background:
    @source(name=orders, type=file, path="orders.json", contract=Order@2)
    @source(name=payments, type=file, path="payments.json", contract=Ordr@1)
    @source(name=refunds, type=file, path="refunds.json", contract=Refund)

Contract: Order version 1
  | field | type |
  | id    | int  |

Contract: Order version 1
  | field | type |
  | id    | int  |
