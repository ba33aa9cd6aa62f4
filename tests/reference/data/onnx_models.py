"""Makes onnx_residual and onnx_perceptron: models with random weights, and what ONNX Runtime 1.32 gives for random inputs.

onnx_lstm and onnx_gru were written by PyTorch 2.10: two layers of 4 units with random weights, of which the last step is read, by its newer exporter
(dynamo=True, any number of samples), and one layer whose last state is read, by the older.
onnx_mnist_cnn is the CNN of examples/data as the exporter of PyTorch 2.15 wrote it, with the logits of twelve test digits by ONNX Runtime.
"""
import numpy as np, onnx, onnxruntime as ort
from onnx import helper as h, TensorProto as T, numpy_helper as nh
rng=np.random.default_rng(5)
def save(name, nodes, inits, inp, outs, n=3, opset=18):
    g=h.make_graph(nodes,name,[h.make_tensor_value_info('x',T.FLOAT,['n']+inp)],[h.make_tensor_value_info(o,T.FLOAT,['n',k]) for o,k in outs],[nh.from_array(np.asarray(v),k) for k,v in inits.items()])
    m=h.make_model(g,opset_imports=[h.make_opsetid('',opset)],producer_name='nmc tests'); m.ir_version=9
    onnx.checker.check_model(m); onnx.save(m,name+'.onnx')
    x=rng.standard_normal([n]+inp).astype(np.float32)
    s=ort.InferenceSession(name+'.onnx')
    y=s.run(None,{'x':x})
    np.savez(name+'.npz',x=x,**{f'y{i}':v for i,v in enumerate(y)})
f=lambda *s: (rng.standard_normal(s)*0.3).astype(np.float32)
p=lambda *s: (rng.random(s)+0.5).astype(np.float32)
# residual block with unfused batch norms, strides, groups, concat, mean
def bn(nodes,inits,x,y,c):
    for k,v in zip('sbmv',(p(c),f(c),f(c),p(c))): inits[y+'.'+k]=v
    nodes.append(h.make_node('BatchNormalization',[x]+[y+'.'+k for k in 'sbmv'],[y],name=y,epsilon=1e-3))
nodes,inits=[],{}
inits['stem.weight']=f(4,2,3,3); inits['stem.bias']=f(4)
nodes.append(h.make_node('Conv',['x','stem.weight','stem.bias'],['c1'],name='c1',kernel_shape=[3,3],pads=[1,1,1,1],strides=[2,2]))
bn(nodes,inits,'c1','b1',4); nodes.append(h.make_node('Relu',['b1'],['r1'],name='r1'))
nodes.append(h.make_node('MaxPool',['r1'],['m1'],name='m1',kernel_shape=[3,3],pads=[1,1,1,1],strides=[1,1]))
inits['left.weight']=f(4,4,3,3)
nodes.append(h.make_node('Conv',['m1','left.weight'],['c2'],name='c2',kernel_shape=[3,3],pads=[1,1,1,1]))
bn(nodes,inits,'c2','b2',4)
nodes.append(h.make_node('Add',['b2','m1'],['a1'],name='a1'))
bn(nodes,inits,'a1','b3',4)
nodes.append(h.make_node('Relu',['b3'],['r2'],name='r2'))
inits['deep.weight']=f(4,1,3,3)
nodes.append(h.make_node('Conv',['r2','deep.weight'],['c3'],name='c3',kernel_shape=[3,3],group=4,dilations=[2,2],pads=[2,2,2,2]))
nodes.append(h.make_node('Concat',['c3','r2'],['k'],name='k',axis=1))
nodes.append(h.make_node('AveragePool',['k'],['ap'],name='ap',kernel_shape=[2,2],strides=[1,1],pads=[1,1,1,1],count_include_pad=1))
nodes.append(h.make_node('GlobalAveragePool',['ap'],['g'],name='g'))
nodes.append(h.make_node('Flatten',['g'],['fl'],name='fl'))
inits['head.weight']=f(8,5); inits['head.bias']=f(5)
nodes.append(h.make_node('MatMul',['fl','head.weight'],['mm'],name='mm')); nodes.append(h.make_node('Add',['mm','head.bias'],['y'],name='y'))
save('onnx_residual',nodes,inits,[2,8,8],[('y',5)])
# MLP: Gemm without transB, sigmoid, tanh, scalars, two outputs, reshape
nodes,inits=[],{}
inits['a']=f(12,6); inits['ab']=f(6); inits['shape']=np.array([-1,12],dtype=np.int64); inits['half']=np.float32(0.5); inits['b']=f(3,6); inits['bb']=f(3); inits['im']=np.array([0,1,2,3],dtype=np.int64)
nodes=[h.make_node('Reshape',['x','shape'],['f'],name='f'),h.make_node('Gemm',['f','a','ab'],['g'],name='g'),h.make_node('Sigmoid',['g'],['s'],name='s'),
 h.make_node('Mul',['s','half'],['m'],name='m'),h.make_node('Tanh',['g'],['t'],name='t'),h.make_node('Sub',['m','t'],['d'],name='d'),
 h.make_node('Gemm',['d','b','bb'],['output'],name='o',transB=1),h.make_node('Div',['t','half'],['q'],name='q'),h.make_node('Softmax',['q'],['z'],name='z')]
save('onnx_perceptron',nodes,inits,[1,3,4],[('output',3),('z',6)])
# The reset before the product, a plain layer with rectifiers before it.
rng=np.random.default_rng(9); f=lambda *s:(rng.standard_normal(s)*0.5).astype('f4')
inits={'rw':f(1,3,2),'rr':f(1,3,3),'rb':f(1,6),'gw':f(1,12,3),'gr':f(1,12,4),'gb':f(1,24),'o':f(4,2),'ax':np.array([1],'i8')}
nodes=[h.make_node('Transpose',['x'],['t'],perm=[1,0,2],name='t'),h.make_node('RNN',['t','rw','rr','rb'],['ry',''],hidden_size=3,activations=['Relu'],name='plain'),
 h.make_node('Squeeze',['ry','ax'],['rs'],name='rs'),h.make_node('GRU',['rs','gw','gr','gb'],['gy','gh'],hidden_size=4,linear_before_reset=0,name='gated'),
 h.make_node('Squeeze',['gh','z'],['hs'],name='hs'),h.make_node('MatMul',['hs','o'],['y'],name='y')]
inits['z']=np.array([0],'i8')
g=h.make_graph(nodes,'m',[h.make_tensor_value_info('x',T.FLOAT,['n',6,2])],[h.make_tensor_value_info('y',T.FLOAT,['n',2])],[nh.from_array(v,k) for k,v in inits.items()])
m=h.make_model(g,opset_imports=[h.make_opsetid('',18)],producer_name='nmc tests'); m.ir_version=9; onnx.checker.check_model(m); onnx.save(m,'onnx_loops.onnx')
x=f(5,6,2); np.savez('onnx_loops.npz',x=x,y0=ort.InferenceSession('onnx_loops.onnx').run(None,{'x':x})[0])
