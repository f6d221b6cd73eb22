Feature: Nested values

  Scenario: Orders with lines
    @source(name=orders, type=file, path="orders.jsonl", contract=Order@1)
    @step(name=Lines)
      @do   unnest lines as line
      @do   select id, line['sku'] as sku, line['pieces'] as pieces, buyer['name'] as buyer
    @step(name=Whole, from=orders)
      @do   select id, lines, buyer, extra
    @sink(type=blackhole, from=Lines)
    @sink(name=whole, type=blackhole, from=Whole)

    Examples: lists of structs come apart, and stay what they are where nobody takes them apart
      Given orders
        | id | lines                                                  | buyer           | extra        |
        | 1  | [{"sku": "a", "pieces": 2}, {"sku": "b", "pieces": 1}] | {"name": "Ada"} | {"x": [1,2]} |
        | 2  | [{"sku": "c"}]                                         |                 | 7            |
        | 3  | []                                                     | {"name": "Eve"} |              |
      Then Lines is
        | id | sku | pieces | buyer |
        | 1  | a   | 2      | Ada   |
        | 1  | b   | 1      | Ada   |
        | 2  | c   |        |       |
      And Whole contains
        | id | lines                          | buyer           | extra |
        | 2  | [{"sku": "c", "pieces": null}] |                 | 7     |
        | 3  | []                             | {"name": "Eve"} |       |

Contract: Order version 1
  | field | type                                   | rules    |
  | id    | int                                    | required |
  | lines | list<struct<sku: string, pieces: int>> |          |
  | buyer | struct<name: string>                   |          |
  | extra | json                                   |          |
