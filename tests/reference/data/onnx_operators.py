"""Makes onnx_windows, onnx_functions and onnx_lines: models with random weights, and what ONNX Runtime 1.32 gives for random inputs."""
import numpy as np, onnx, onnxruntime as ort
from onnx import helper as h, TensorProto as T, numpy_helper as nh
def save(name, nodes, inits, inp, outs, n=3, opset=20, shapes=None):
    g=h.make_graph(nodes,name,[h.make_tensor_value_info('x',T.FLOAT,['n']+inp)],[h.make_tensor_value_info(o,T.FLOAT,['n','k']) for o in outs],[nh.from_array(np.asarray(v),k) for k,v in inits.items()])
    m=h.make_model(g,opset_imports=[h.make_opsetid('',opset)],producer_name='nmc tests'); m.ir_version=9
    onnx.checker.check_model(m); onnx.save(m,name+'.onnx')
    x=rng.standard_normal([n]+inp).astype(np.float32)
    y=ort.InferenceSession(name+'.onnx').run(None,{'x':x})
    np.savez(name+'.npz',x=x,**{f'y{i}':v for i,v in enumerate(y)})
    print(name,[v.shape for v in y])
rng=np.random.default_rng(17)
f=lambda *s:(rng.standard_normal(s)*0.4).astype(np.float32)
p=lambda *s:(rng.random(s)+0.5).astype(np.float32)
i64=lambda *a: np.array(a,dtype=np.int64)
# Windows: unequal strides, pads and kernels, SAME either way, whole windows and begun ones, biases that stand alone, images that are not square.
N,I=[],{}
def node(op,ins,out,**k): N.append(h.make_node(op,ins,[out] if isinstance(out,str) else out,name=out if isinstance(out,str) else out[0],**k)); return out
def init(k,v): I[k]=v; return k
node('Sub',['x',init('mean',f(2,1,1))],'x0'); node('Div',['x0',init('std',p(1,2,1,1))],'x1')
node('Conv',['x1',init('c1',f(3,2,3,2))],'k1',strides=[2,1],pads=[1,0,2,1],kernel_shape=[3,2])
node('Add',['k1',init('b1',f(1,3,1,1))],'a1')
node('LeakyRelu',['a1'],'l1',alpha=0.1)
node('Conv',['l1',init('c2',f(4,3,2,3)),init('b2',f(4))],'k2',auto_pad='SAME_UPPER',strides=[1,2])
node('Mul',['k2',init('s2',p(4,1,1))],'m2')
node('PRelu',['m2',init('slopes',p(4,1,1))],'p2')
node('Conv',['p2',init('c3',f(4,2,2,2))],'k3',auto_pad='SAME_LOWER',group=2)
node('MaxPool',['k3'],'q3',kernel_shape=[2,3],strides=[2,2],ceil_mode=1)
node('AveragePool',['p2'],'q4',kernel_shape=[3,2],strides=[2,1],pads=[1,0,1,1],count_include_pad=1)
node('GlobalAveragePool',['q3'],'g3'); node('GlobalMaxPool',['q3'],'g4'); node('ReduceMean',['q4',init('ax',i64(2,3))],'g5',keepdims=0)
node('Concat',['g3','g4'],'gg',axis=-3); node('Squeeze',['gg',init('ax23',i64(-2,-1))],'gs')
node('Concat',['gs','g5'],'y',axis=-1)
save('onnx_windows',N,I,[2,7,9],['y'])
# Functions, constants on either side, slices.
N,I=[],{}
node('BatchNormalization',['x']+[init('bn'+k,v) for k,v in zip('sbmv',(p(6),f(6),f(6),p(6)))],'n')
node('Gemm',['n',init('w',f(6,12)),init('b',f(1,12))],'g',alpha=0.5,beta=2.0)
node('Mul',['g',init('three',np.float32(3))],'z')
outs=[]
def fn(op,out,extra=(),**k): node(op,['z']+list(extra),out,**k); outs.append(out)
lo,hi,six=init('lo',np.float32(-0.5)),init('hi',np.float32(1)),init('six',np.float32(6))
fn('Clip','clip',[lo,hi]); fn('Clip','relu6',[init('zero',np.float32(0)),six]); fn('Clip','least',[lo]); fn('Abs','abs1'); fn('HardSigmoid','hs',alpha=0.3,beta=0.4); fn('HardSwish','hw'); fn('Elu','elu',alpha=0.7)
fn('Selu','selu'); fn('Softplus','sp'); fn('Softsign','ss'); fn('Gelu','ge'); fn('Gelu','gt',approximate='tanh'); fn('Erf','erf'); fn('Mish','mish'); fn('ThresholdedRelu','tr',alpha=0.4); fn('PRelu','pr',[init('slope',f(1))]); fn('PRelu','prs',[init('slopes12',p(12))]); fn('Neg','neg')
fn('LeakyRelu','steep',alpha=1.5); fn('Pow','sq',[init('two',np.float32(2))]); fn('Max','mx',[lo]); fn('Min','mn',[hi]); 
node('Sub',[init('one',np.float32(1)),'z'],'rest'); outs.append('rest')
node('Exp',['z'],'ez'); node('Div',['one','ez'],'inv'); outs.append('inv')
node('Sub',[init('v12',f(12)),'ss'],'vs'); outs.append('vs'); node('Add',['ss','v12'],'va'); outs.append('va'); node('Div',['ss',init('d12',p(1,12))],'vd'); outs.append('vd'); node('Mul',['vd','d12'],'vm'); outs.append('vm')
node('Slice',['z',init('s',i64(2)),init('e',i64(-3)),init('a',i64(1))],'cut')
node('Split',['z',init('parts',i64(5,7))],['left','right'],axis=-1)
node('Slice',['x',init('s0',i64(0,0)),init('e0',i64(2**31-1,2**31-1)),init('a2',i64(0,-1)),init('st',i64(1,1))],'all')
node('Concat',['cut','right','left','all'],'join',axis=-1); outs.append('join')
node('Concat',outs,'y',axis=-1)
save('onnx_functions',N,I,[6],['y'],n=4)
# Lines: convolutions and pools of one axis, axes of one element.
N,I=[],{}
node('Transpose',['x'],'t',perm=[0,3,1,2]); node('Squeeze',['t',init('a1',i64(1))],'l')
node('Conv',['l',init('c1',f(4,2,3)),init('b1',f(4))],'k1',strides=[2],pads=[2,1]); node('BatchNormalization',['k1']+[init('n'+k,v) for k,v in zip('sbmv',(p(4),f(4),f(4),p(4)))],'n1'); node('Relu',['n1'],'r1')
node('MaxPool',['r1'],'m1',kernel_shape=[3],strides=[1],auto_pad='SAME_UPPER')
node('Sub',['m1',init('m',f(4,1))],'d1'); node('Conv',['d1',init('c2',f(4,1,2))],'k2',group=4,dilations=[2])
node('Add',['k2',init('b2',f(1,4,1))],'a2'); node('Unsqueeze',['a2',init('last',i64(-1))],'u'); node('AveragePool',['u'],'p',kernel_shape=[2,1],strides=[2,1])
node('Flatten',['p'],'fl'); node('MatMul',['fl',init('w',f(20,3))],'mm'); node('Add',['mm',init('half',np.float32(0.5))],'y')
save('onnx_lines',N,I,[2,24,1],['y'])
