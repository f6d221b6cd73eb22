Feature: Joins and unions of what changes

  Background:
    @source(name=orders, type=file, path="orders.jsonl", contract=PlacedOrder@1)
    @source(name=payments, type=file, path="order_payments.jsonl", contract=OrderPayment@1)
    @source(name=shipments, type=file, path="shipments.jsonl", contract=Shipment@1)
    @source(name=customers, type=file, path="customers.jsonl", follow=true, contract=Customer@1, key=name)

  Scenario: Three streams
    @step(name=Paid, from=orders)
      @do   left join payments on payments.order_id = orders.id keep for ever
    @step(name=Whole)
      @do   left join shipments on shipments.order_id = Paid.id and amount > 0 keep for ever
    @step(name=PerCustomer)
      @do   aggregate orders = count(*), paid = count(amount), shipped = count(carrier) by customer keep for ever
    @sink(type=blackhole)

    Examples: rows find their partners one after the other
      Given orders
        | id | customer |
        | 1  | Ada      |
        | 2  | Ada      |
        | 3  | Bea      |
      Then PerCustomer is
        | customer | orders | paid | shipped |
        | Ada      | 2      | 0    | 0       |
        | Bea      | 1      | 0    | 0       |
      Given shipments
        | order_id | carrier |
        | 1        | x       |
        | 1        | y       |
      And payments
        | order_id | amount |
        | 2        | 5      |
      Then PerCustomer is
        | customer | orders | paid | shipped |
        | Ada      | 2      | 1    | 0       |
        | Bea      | 1      | 0    | 0       |
      Given payments
        | order_id | amount |
        | 1        | 7      |
        | 3        | 0      |
      Then PerCustomer is
        | customer | orders | paid | shipped |
        | Ada      | 3      | 3    | 2       |
        | Bea      | 1      | 1    | 0       |

  Scenario: Totals with a table that changes
    @step(name=Totals, from=orders)
      @do   aggregate n = count(*) by customer keep for ever
    @step(name=Named)
      @do   full join customers on customers.name = Totals.customer keep for ever
      @do   select customer, n, name, city
    @sink(type=blackhole)

    Examples: both sides may change
      Given orders
        | id | customer |
        | 1  | Ada      |
        | 2  | Bea      |
      And customers
        | name | city  |
        | Ada  | Paris |
        | Cid  | Lima  |
      Then Named is
        | customer | n | name | city  |
        | Ada      | 1 | Ada  | Paris |
        | Bea      | 1 |      |       |
        |          |   | Cid  | Lima  |
      Given orders
        | id | customer |
        | 3  | Ada      |
        | 4  | Cid      |
      And customers
        | name | city |
        | Ada  | Rome |
      Then Named is
        | customer | n | name | city |
        | Ada      | 2 | Ada  | Rome |
        | Bea      | 1 |      |      |
        | Cid      | 1 | Cid  | Lima |

  Scenario: One list of several totals
    @step(name=Orders, from=orders)
      @do   aggregate n = count(*) by customer keep for ever
      @do   set what = 'orders'
    @step(name=Lines, from=shipments)
      @do   aggregate n = count(*) by carrier keep for ever
      @do   select customer = carrier, n, what = 'shipments'
    @step(name=All, from=[Orders, Lines])
      @do   union Lines
    @step(name=Sums)
      @do   aggregate names = count(*), n = sum(n) by what keep for ever
    @sink(type=blackhole, from=All, changes=upsert)
    @sink(name=sums, type=blackhole, from=Sums)

    Examples: each keeps its own
      Given orders
        | id | customer |
        | 1  | x        |
        | 2  | y        |
      And shipments
        | order_id | carrier |
        | 1        | x       |
      Then All is
        | customer | n | what      |
        | x        | 1 | orders    |
        | y        | 1 | orders    |
        | x        | 1 | shipments |
      Given orders
        | id | customer |
        | 3  | x        |
      Then All is
        | customer | n | what      |
        | x        | 2 | orders    |
        | y        | 1 | orders    |
        | x        | 1 | shipments |
      And Sums is
        | what      | names | n |
        | orders    | 2     | 3 |
        | shipments | 1     | 1 |

Contract: PlacedOrder version 1
  | field    | type   | rules    |
  | id       | int    | required |
  | customer | string |          |

Contract: OrderPayment version 1
  | field    | type | rules    |
  | order_id | int  | required |
  | amount   | int  |          |

Contract: Shipment version 1
  | field    | type   | rules    |
  | order_id | int    | required |
  | carrier  | string |          |

Contract: Customer version 1
  | field | type   | rules         |
  | name  | string | required, key |
  | city  | string |               |
