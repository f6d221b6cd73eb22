Feature: Recursions
  Background:
    @source(name=links, type=topic, topic="links", contract=Link@1, key=link)
    @source(name=hops, type=topic, topic="hops", contract=Link@1)
    @source(name=closed, type=file, path="closed.json", contract=Closed@1)

  Scenario: Recursions of every kind
    @step(name=Reached, from=hops)
      @do select a, b
      @do iterate keep for ever
      @do join hops on hops.a = Reached.b
      @do select Reached.a, hops.b
    @step(name=Cheapest, from=links)
      @when a = 1
      @do select b as node, cost
      @do iterate cost = min(cost), ways = count(*) by node at most 50 rounds keep for ever
      @do anti join closed on closed.node = Cheapest.node
      @do join links on links.a = Cheapest.node and links.cost < 100
      @do select links.b as node, Cheapest.cost + links.cost as cost
      @do keep node <> 1 and cost < 10000
    @step(name=Names, from=closed)
      @do select node, node as other
      @do iterate
      @do union More
    @step(name=More, from=closed)
      @do select node, node + 1 as other
    @sink(type=stdout, from=Reached)
    @sink(type=stdout, from=Cheapest)
    @sink(type=stdout, from=Names)

Contract: Link version 1
  | field | type   | rules         |
  | link  | int64  | required, key |
  | a     | int64  | required      |
  | b     | int64  | required      |
  | cost  | int64  | required      |
  | note  | string |               |

Contract: Closed version 1
  | field | type  | rules    |
  | node  | int64 | required |
